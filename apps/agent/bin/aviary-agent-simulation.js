#!/usr/bin/env node
import '../dist/simulation/main.js';
