'use strict'
// Takes every recipient and every message, and writes a line for each message that it took.
const fs = require('node:fs')

exports.register = function () {
  // The server ends with its standard input, that is with the test, however that ends.
  process.stdin.resume()
  process.stdin.on('end', () => process.exit())
  this.register_hook('rcpt', 'take')
  this.register_hook('queue', 'count')
  this.register_hook('queue_outbound', 'count')
}

exports.take = function (next) {
  next(OK)
}

exports.count = function (next, connection) {
  fs.appendFile(process.env.TAKEN, `${connection.transaction.uuid}\n`, () => next(OK))
}
