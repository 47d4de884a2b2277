package lobby

import (
	"bufio"
	"fmt"
	"net"
)

type session struct {
	id     string
	conn   net.Conn
	reader *bufio.Reader
}

func newSession(id string, conn net.Conn) *session {
	return &session{id: id, conn: conn, reader: bufio.NewReader(conn)}
}

func (s *session) next() (string, error) {
	line, err := s.reader.ReadString('\n')
	return verb(line), err
}

func (s *session) answer(word string) error {
	_, err := fmt.Fprintln(s.conn, "ok", word)
	return err
}
