package fares

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"time"
)

// Line is one connection to the feed.
type Line struct {
	conn   net.Conn
	reader *bufio.Reader
}

// Ask sends one question and reads its answer.
func (l *Line) Ask(format string, arguments ...any) (string, error) {
	if _, err := fmt.Fprintf(l.conn, format+"\n", arguments...); err != nil {
		return "", err
	}
	answer, err := l.reader.ReadString('\n')
	return strings.TrimSpace(answer), err
}

// Pool keeps some lines ready; a goroutine dials when few are left.
type Pool struct {
	address string
	ready   chan *Line
}

// NewPool starts a pool that keeps `spare` lines.
func NewPool(address string, spare int) *Pool {
	pool := &Pool{address: address, ready: make(chan *Line, spare)}
	go pool.fill()
	return pool
}

func (p *Pool) fill() {
	for {
		conn, err := net.DialTimeout("tcp", p.address, 2*time.Second)
		if err != nil {
			time.Sleep(50 * time.Millisecond)
			continue
		}
		p.ready <- &Line{conn, bufio.NewReader(conn)}
	}
}

func (p *Pool) take() *Line { return <-p.ready }

func (p *Pool) put(line *Line) {
	select {
	case p.ready <- line:
	default:
		line.conn.Close()
	}
}
