// An xDS client of grpc-js; see ../README.md for what it reads and prints.
'use strict';

const readline = require('node:readline');
const grpc = require('@grpc/grpc-js');
require('@grpc/grpc-js-xds').register();

const bytes = (buffer) => buffer;
const client = new grpc.Client(process.argv[2], grpc.credentials.createInsecure());

function call(seconds) {
  const deadline = new Date(Date.now() + seconds * 1000);
  return new Promise((resolve) => {
    client.makeUnaryRequest('/doyen.conformance.Backend/Call', bytes, bytes, Buffer.alloc(0), { deadline }, (error, body) => {
      if (error) {
        resolve(`error ${grpc.status[error.code]} ${error.details.replace(/\s+/g, ' ')}`);
      } else {
        resolve(`ok ${body}`);
      }
    });
  });
}

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    console.log(await call(Number(line.split(' ')[1])));
  }
  process.exit(0);
}

main();
