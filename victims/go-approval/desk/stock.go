package desk

import (
	"bufio"
	"fmt"
	"net"
	"time"
)

// link is a connection to the stock service.
type link struct {
	conn   net.Conn
	reader *bufio.Reader
}

func dial(address string) (*link, error) {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return nil, err
	}
	return &link{conn: conn, reader: bufio.NewReader(conn)}, nil
}

func (l *link) ask(line string) error {
	if _, err := fmt.Fprintln(l.conn, line); err != nil {
		return err
	}
	_, err := l.reader.ReadString('\n')
	return err
}

func (l *link) close() { l.conn.Close() }

// Stock answers reservations until the listener is closed.
func Stock(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			lines := bufio.NewScanner(conn)
			for lines.Scan() {
				if _, err := fmt.Fprintln(conn, "ok"); err != nil {
					return
				}
			}
		}()
	}
}
