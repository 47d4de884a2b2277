// Package broker is a client of the message broker.
package broker

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// ErrRefused says that the broker does not accept our token.
var ErrRefused = errors.New("refused by the broker")

// Session is one connection; its answers arrive in a goroutine of their own.
type Session struct {
	conn    net.Conn
	answers chan string
}

// Connect dials the broker and introduces itself.
func Connect(address, token string, fixed bool) (*Session, error) {
	session, err := dial(address) // LEAK[opened,borrowed]: broker-handshake
	if err != nil {
		return nil, err
	}
	answer, err := session.ask("HELLO shop " + token) // LEAK[used]: broker-handshake
	if err != nil {
		session.Close()
		return nil, err
	}
	if !strings.HasPrefix(answer, "OK") {
		if fixed {
			session.Close()
		}
		return nil, fmt.Errorf("%w: %s", ErrRefused, answer) // the connection and its reader stay
	}
	return session, nil
}

func dial(address string) (*Session, error) {
	conn, err := net.DialTimeout("tcp", address, 2*time.Second)
	if err != nil {
		return nil, err
	}
	session := &Session{conn: conn, answers: make(chan string, 4)}
	go session.read()
	return session, nil
}

// read passes on what the broker says, until the connection ends.
func (s *Session) read() {
	defer close(s.answers)
	lines := bufio.NewScanner(s.conn)
	for lines.Scan() {
		s.answers <- lines.Text()
	}
}

// ask sends one line and waits for its answer.
func (s *Session) ask(line string) (string, error) {
	if _, err := s.conn.Write([]byte(line + "\n")); err != nil {
		return "", err
	}
	select {
	case answer, open := <-s.answers:
		if !open {
			return "", net.ErrClosed
		}
		return answer, nil
	case <-time.After(2 * time.Second):
		return "", errors.New("the broker does not answer")
	}
}

// Publish sends one message and waits until the broker has it.
func (s *Session) Publish(topic, message string) error {
	answer, err := s.ask(fmt.Sprintf("PUB %s %s", topic, message))
	if err == nil && answer != "ACK" {
		err = errors.New(answer)
	}
	return err
}

func (s *Session) Close() error { return s.conn.Close() }
