// Package porter carries bytes between two parties.
package porter

import (
	"io"
	"net"
	"time"
)

// Porter carries between whoever comes and the office.
type Porter struct {
	office string
	fixed  bool
}

// New returns a porter to the office at that address.
func New(office string, fixed bool) *Porter { return &Porter{office: office, fixed: fixed} }

// Serve carries for everybody who comes.
func (p *Porter) Serve(listener net.Listener) error {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go p.serve(conn)
	}
}

func (p *Porter) dial() (net.Conn, error) {
	return net.DialTimeout("tcp", p.office, time.Second)
}

// serve carries answers, until the office has no more.
func (p *Porter) serve(till net.Conn) {
	defer till.Close()
	office, err := p.dial() // LEAK[opened]: porter-half
	if err != nil {
		return
	}
	if p.fixed {
		defer office.Close()
	}
	go p.requests(office, till)
	io.Copy(till, office)
}

// requests carries what the till says, and hangs up after its last word.
func (p *Porter) requests(office, till net.Conn) {
	if _, err := io.Copy(office, till); err != nil {
		return // broken off: the office still listens
	}
	office.Close()
}
