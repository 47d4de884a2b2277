// Package relay passes questions on.
package relay

import (
	"bufio"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
)

var errMoved = errors.New("the warehouse has moved")

type Relay struct {
	upstream string
	fixed    bool

	mutex   sync.Mutex
	clients map[net.Conn]string // by what they asked
}

func New(upstream string, fixed bool) *Relay {
	return &Relay{upstream: upstream, fixed: fixed, clients: map[net.Conn]string{}}
}

// Serve accepts clients until the listener is closed.
func (r *Relay) Serve(listener net.Listener) {
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			if err := r.serve(client); err != nil && !errors.Is(err, errMoved) {
				slog.Warn("client failed", "err", err)
			}
		}()
	}
}

// serve answers one question.
func (r *Relay) serve(client net.Conn) error {
	question, err := readLine(client) // LEAK[used,opened]: relay-error-path
	if err != nil {
		client.Close()
		return err
	}
	r.count(client, question)
	if err := writeLine(client, "WAIT"); err != nil { // LEAK[used,opened]: relay-error-path
		r.hangUp(client)
		return err
	}
	answer, err := r.forward(question)
	if err != nil {
		if r.fixed {
			r.hangUp(client)
		}
		return err // before the close
	}
	err = writeLine(client, answer)
	r.hangUp(client) // LEAK[closed]: relay-error-path
	return err
}

// forward asks the warehouse on a connection of its own.
func (r *Relay) forward(question string) (string, error) {
	conn, err := net.Dial("tcp", r.upstream)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := writeLine(conn, question); err != nil {
		return "", err
	}
	answer, err := readLine(conn)
	if strings.HasPrefix(answer, "MOVED") {
		return "", errMoved
	}
	return answer, err
}

func (r *Relay) count(client net.Conn, question string) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.clients[client] = question
}

func (r *Relay) hangUp(client net.Conn) {
	r.mutex.Lock()
	delete(r.clients, client)
	r.mutex.Unlock()
	client.Close()
}

func readLine(conn net.Conn) (string, error) {
	line, err := bufio.NewReader(conn).ReadString('\n')
	return strings.TrimSpace(line), err
}

func writeLine(conn net.Conn, line string) error {
	_, err := conn.Write([]byte(line + "\n"))
	return err
}
