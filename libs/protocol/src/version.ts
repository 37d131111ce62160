/** Version of everything in this library: part of each MQTT topic and of the device API's path. */
export const PROTOCOL_VERSION = 1;
