// Package lobby keeps the players who wait.
package lobby

import (
	"fmt"
	"net"
	"strings"
	"sync"
)

var (
	mutex    sync.Mutex
	sessions = map[string]*session{}
	waiting  = map[string]bool{}
)

// Serve accepts players until the listener is closed.
func Serve(listener net.Listener, fixed bool) {
	for n := 0; ; n++ {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go attend(open(fmt.Sprint("session-", n), conn), fixed)
	}
}

// attend talks with one player until they play, leave, or say that they are away.
func attend(s *session, fixed bool) {
	for {
		verb, err := s.next() // LEAK[used]: lobby-away
		if err != nil || verb == "PLAY" {
			break
		}
		if err := s.answer(verb); err != nil { // LEAK[used,opened]: lobby-away
			break
		}
		if verb == "AWAY" && !fixed {
			wait(s, false)
			return // "they may come back": the session stays, connection and all
		}
	}
	s.answer("BYE")
	forget(s)
	s.conn.Close() // LEAK[closed]: lobby-away
}

func wait(s *session, waits bool) {
	mutex.Lock()
	defer mutex.Unlock()
	waiting[s.id] = waits
	if !waits {
		delete(waiting, s.id)
	}
}

func forget(s *session) {
	mutex.Lock()
	defer mutex.Unlock()
	delete(sessions, s.id)
	delete(waiting, s.id)
}

func open(id string, conn net.Conn) *session {
	s := newSession(id, conn)
	mutex.Lock()
	sessions[id] = s
	mutex.Unlock()
	wait(s, true)
	return s
}

// verb of a line: what stands before the first space.
func verb(line string) string {
	first, _, _ := strings.Cut(strings.TrimSpace(line), " ")
	return first
}
