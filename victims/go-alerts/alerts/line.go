package alerts

import (
	"bufio"
	"fmt"
	"net"
	"time"
)

type line struct {
	conn   net.Conn
	reader *bufio.Reader
}

func open(address string) (*line, error) {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return nil, err
	}
	return &line{conn: conn, reader: bufio.NewReader(conn)}, nil
}

func (l *line) ask(format string, arguments ...any) error {
	if _, err := fmt.Fprintf(l.conn, format+"\n", arguments...); err != nil {
		return err
	}
	_, err := l.reader.ReadString('\n')
	return err
}

func (l *line) close() { l.conn.Close() }
