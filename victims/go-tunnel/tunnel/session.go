// Package tunnel carries many questions over one connection.
package tunnel

import (
	"bufio"
	"errors"
	"net"
	"time"
)

type question struct {
	line   string
	answer chan string
}

// Session is one connection, with a goroutine that writes and one that reads.
type Session struct {
	conn    net.Conn
	out     chan question
	pending chan question
	done    chan struct{}
}

// Dial opens a session.
func Dial(address string) (*Session, error) {
	conn, err := net.DialTimeout("tcp", address, 2*time.Second)
	if err != nil {
		return nil, err
	}
	s := &Session{conn, make(chan question), make(chan question, 64), make(chan struct{})}
	go s.write()
	go s.read()
	return s, nil
}

// Ask sends a question and waits for its answer.
func (s *Session) Ask(line string) (string, error) {
	q := question{line, make(chan string, 1)}
	select {
	case s.out <- q:
	case <-s.done:
		return "", net.ErrClosed
	}
	select {
	case answer := <-q.answer:
		return answer, nil
	case <-time.After(2 * time.Second):
		return "", errors.New("no answer")
	}
}

// Close ends both goroutines.
func (s *Session) Close() error {
	close(s.done)
	return s.conn.Close()
}

func (s *Session) write() {
	for {
		select {
		case q := <-s.out:
			s.pending <- q
			if _, err := s.conn.Write([]byte(q.line + "\n")); err != nil {
				return
			}
		case <-s.done:
			return
		}
	}
}

func (s *Session) read() {
	lines := bufio.NewScanner(s.conn)
	for lines.Scan() {
		q := <-s.pending
		q.answer <- lines.Text()
	}
}
