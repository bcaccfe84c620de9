const fs = require("fs");
const path = require("path");

module.exports = fs;
