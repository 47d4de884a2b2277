// Package vault keeps secrets.
package vault

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync"
)

// Server answers neighbours.
type Server struct {
	listener net.Listener
	fixed    bool
	mutex    sync.Mutex
	refused  []net.Conn // to be told apart from attacks, some day
}

// Listen serves on the path until Close.
func Listen(path string, fixed bool) (*Server, error) {
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	s := &Server{listener: listener, fixed: fixed}
	go s.serve()
	return s, nil
}

func (s *Server) Close() error { return s.listener.Close() }

func (s *Server) serve() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		go s.answer(conn)
	}
}

func (s *Server) answer(conn net.Conn) {
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		verb, name, _ := strings.Cut(lines.Text(), " ")
		if strings.HasPrefix(name, "stranger-") {
			s.refuse(conn) // LEAK[used]: vault-caller
			return
		}
		if !say(conn, verb+" s3cr3t-of-"+name) {
			break
		}
	}
	conn.Close()
}

func (s *Server) refuse(conn net.Conn) {
	say(conn, "NO") // LEAK[used,opened]: vault-server
	if s.fixed {
		conn.Close()
		return
	}
	s.mutex.Lock()
	s.refused = append(s.refused, conn)
	s.mutex.Unlock()
}

func say(conn net.Conn, line string) bool {
	_, err := fmt.Fprintln(conn, line)
	return err == nil
}
