// Package ferry carries lines to a service behind, and back.
package ferry

import (
	"io"
	"net"
)

// Ferry accepts clients and dials for each.
type Ferry struct {
	listener net.Listener
	behind   string
	fixed    bool
}

// Listen starts a ferry to the address behind.
func Listen(behind string, fixed bool) (*Ferry, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	f := &Ferry{listener: listener, behind: behind, fixed: fixed}
	go f.run()
	return f, nil
}

// Address is where clients come to.
func (f *Ferry) Address() string { return f.listener.Addr().String() }

func (f *Ferry) Close() error { return f.listener.Close() }

func (f *Ferry) run() {
	for {
		client, err := f.listener.Accept()
		if err != nil {
			return
		}
		go f.carry(client)
	}
}

// carry brings what the client says over, until it leaves; what comes back goes its own way.
func (f *Ferry) carry(client net.Conn) {
	defer client.Close()
	behind, err := f.board() // LEAK[opened]: ferry-carry
	if err != nil {
		return
	}
	go bring(client, behind)
	bring(behind, client) // LEAK[used]: ferry-carry
	if f.fixed {
		behind.Close()
	}
}

func (f *Ferry) board() (net.Conn, error) { return net.Dial("tcp", f.behind) }

// bring copies until one side ends.
func bring(to io.Writer, from io.Reader) {
	buffer := make([]byte, 4096)
	for {
		count, err := from.Read(buffer)
		if err != nil {
			return
		}
		if _, err := to.Write(buffer[:count]); err != nil {
			return
		}
	}
}
