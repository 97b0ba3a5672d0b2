// Echo and broadcast on gorilla/websocket. Run: gorilla PORT
//
// The hub is the one of gorilla's chat example. net/http switches TCP_NODELAY on by itself.
package main

import (
	"log"
	"net/http"
	"os"

	"github.com/gorilla/websocket"
)

const maxMessage = 64 << 20

var upgrader = websocket.Upgrader{
	CheckOrigin: func(*http.Request) bool { return true },
}

type client struct {
	conn *websocket.Conn
	send chan *websocket.PreparedMessage
}

type hub struct {
	join      chan *client
	leave     chan *client
	broadcast chan *websocket.PreparedMessage
}

func (h *hub) run() {
	clients := make(map[*client]bool)
	for {
		select {
		case c := <-h.join:
			clients[c] = true
		case c := <-h.leave:
			if clients[c] {
				delete(clients, c)
				close(c.send)
			}
		case message := <-h.broadcast:
			for c := range clients {
				select {
				case c.send <- message:
				default: // The client is too slow.
					delete(clients, c)
					close(c.send)
				}
			}
		}
	}
}

func (c *client) write() {
	defer c.conn.Close()
	for message := range c.send {
		if err := c.conn.WritePreparedMessage(message); err != nil {
			return
		}
	}
}

func (h *hub) serve(w http.ResponseWriter, r *http.Request) {
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	conn.SetReadLimit(maxMessage)
	c := &client{conn: conn, send: make(chan *websocket.PreparedMessage, 256)}
	h.join <- c
	defer func() { h.leave <- c }()
	go c.write()
	for {
		kind, data, err := conn.ReadMessage()
		if err != nil {
			return
		}
		message, err := websocket.NewPreparedMessage(kind, data)
		if err != nil {
			return
		}
		h.broadcast <- message
	}
}

func echo(w http.ResponseWriter, r *http.Request) {
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	conn.SetReadLimit(maxMessage)
	for {
		kind, data, err := conn.ReadMessage()
		if err != nil {
			return
		}
		if err := conn.WriteMessage(kind, data); err != nil {
			return
		}
	}
}

func main() {
	h := &hub{
		join:      make(chan *client),
		leave:     make(chan *client),
		broadcast: make(chan *websocket.PreparedMessage),
	}
	go h.run()
	http.HandleFunc("/echo", echo)
	http.HandleFunc("/broadcast", h.serve)
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[1], nil))
}
