// Package digest sums up prices.
package digest

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync"
)

// Summary is the sum so far.
type Summary struct {
	Feed  string
	Fixed bool

	mutex   sync.Mutex
	shares  int
	markets []net.Conn
}

// Add takes one share into the sum.
func (s *Summary) Add(share string) error {
	conn, err := s.ask("GET " + share)
	if err != nil {
		return err
	}
	defer conn.Close()
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil || !strings.HasPrefix(answer, "PRICE") {
		return fmt.Errorf("unexpected %q: %w", answer, err)
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.shares++
	return nil
}

// Look asks for a market's snapshot, to be read when it opens.
func (s *Summary) Look(market string) error {
	conn, err := s.ask("SUB " + market) // LEAK[used,opened]: digest-look
	if err != nil {
		return err
	}
	if s.Fixed {
		return conn.Close()
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.markets = append(s.markets, conn)
	return nil
}

func (s *Summary) ask(line string) (net.Conn, error) {
	conn, err := net.Dial("tcp", s.Feed)
	if err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintln(conn, line); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}
