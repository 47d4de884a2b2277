// Package hub is the chat room: who is in it, and what they say.
package hub

import (
	"net"
	"strings"
	"sync"
)

// Hub knows the members by their connection.
type Hub struct {
	fixed   bool
	mutex   sync.Mutex
	members map[*member]struct{}
	said    int
}

func New(fixed bool) *Hub { return &Hub{fixed: fixed, members: map[*member]struct{}{}} }

// Serve accepts members until the listener is closed.
func (h *Hub) Serve(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go h.welcome(conn)
	}
}

// welcome talks with one member until they leave.
func (h *Hub) welcome(conn net.Conn) {
	m := newMember(conn)
	h.enter(m)
	for {
		line, err := m.next() // LEAK[used]: chat-left
		if err != nil {
			break
		}
		if err := m.tell(h.hear(m, line)); err != nil { // LEAK[used,opened]: chat-left
			break
		}
	}
	if m.muted && !h.fixed {
		return // "muted members get no farewell": they stay in the room, connection and all
	}
	h.leave(m)
	m.conn.Close() // LEAK[closed]: chat-left
}

// hear takes one line of a member, and says what to answer.
func (h *Hub) hear(m *member, line string) string {
	verb, rest, _ := strings.Cut(line, " ")
	switch verb {
	case "NAME":
		m.name = rest
	case "MUTE":
		m.muted = true
	case "SAY":
		h.mutex.Lock()
		h.said++
		h.mutex.Unlock()
	default:
		return "what?"
	}
	return "ok " + m.name
}

func (h *Hub) enter(m *member) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	h.members[m] = struct{}{}
}

func (h *Hub) leave(m *member) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	delete(h.members, m)
}
