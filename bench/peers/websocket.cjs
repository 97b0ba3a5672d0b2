// Echo and broadcast on npm's websocket. Run: NODE_PATH=.../node_modules node websocket.cjs PORT
const http = require("http");
const { server: WebSocketServer } = require("websocket");

const httpServer = http.createServer((request, response) => {
  response.writeHead(426);
  response.end();
});
const server = new WebSocketServer({
  httpServer,
  maxReceivedFrameSize: 64 << 20,
  maxReceivedMessageSize: 64 << 20,
  fragmentOutgoingMessages: false,
  keepalive: false,
  disableNagleAlgorithm: true,
});
const everyone = new Set();

function send(connection, message) {
  if (message.type === "binary") connection.sendBytes(message.binaryData);
  else connection.sendUTF(message.utf8Data);
}

server.on("request", (request) => {
  const connection = request.accept(null, request.origin);
  connection.on("error", () => {});
  if (request.resource === "/broadcast") {
    everyone.add(connection);
    connection.on("close", () => everyone.delete(connection));
    connection.on("message", (message) => {
      for (const other of everyone) send(other, message);
    });
  } else {
    connection.on("message", (message) => send(connection, message));
  }
});
httpServer.listen(Number(process.argv[2]), "127.0.0.1");
