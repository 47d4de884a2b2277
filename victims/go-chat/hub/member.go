package hub

import (
	"bufio"
	"net"
)

type member struct {
	name  string
	muted bool
	conn  net.Conn
	lines *bufio.Scanner
}

func newMember(conn net.Conn) *member {
	return &member{conn: conn, lines: bufio.NewScanner(conn)}
}

// next is what the member says; an error when they are gone.
func (m *member) next() (string, error) {
	if m.lines.Scan() {
		return m.lines.Text(), nil
	}
	if err := m.lines.Err(); err != nil {
		return "", err
	}
	return "", net.ErrClosed
}

func (m *member) tell(line string) error {
	_, err := m.conn.Write([]byte(line + "\n"))
	return err
}
