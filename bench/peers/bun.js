// Echo and broadcast on Bun.serve, which uses uWebSockets. Run: bun bun.js PORT
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: Number(process.argv[2]),
  fetch(request, server) {
    const broadcast = new URL(request.url).pathname === "/broadcast";
    if (server.upgrade(request, { data: { broadcast } })) return;
    return new Response("WebSocket only", { status: 426 });
  },
  websocket: {
    maxPayloadLength: 64 << 20,
    backpressureLimit: 64 << 20,
    perMessageDeflate: false,
    idleTimeout: 0,
    open(socket) {
      if (socket.data.broadcast) socket.subscribe("all");
    },
    message(socket, message) {
      if (socket.data.broadcast) server.publish("all", message);
      else socket.send(message);
    },
  },
});
