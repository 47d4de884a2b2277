// Command go-porter stands between the tills and the accounts office, and carries what they say to each other.
//
// It shows: a proxy of two halves, each a goroutine. The one that sends to the office closes once the till has said all, but not
// when the till breaks off; it sends for others, and shows nobody who called. The other one dialled, and stays until the office
// hangs up.
package main

import (
	"bufio"
	"fmt"
	"net"
	"time"

	"shop.test/victims/go-porter/porter"
	"shop.test/victims/internal/traffic"
)

func main() {
	options := traffic.Parse(30, 12)
	ctx, stop := options.Context()
	defer stop()

	office, err := net.Listen("tcp", "127.0.0.1:0")
	traffic.Must(err)
	go each(office, account)
	front, err := net.Listen("tcp", "127.0.0.1:0")
	traffic.Must(err)
	door := porter.New(office.Addr().String(), options.Fixed)
	go door.Serve(front)

	options.Drive(ctx, 3, func(n int) {
		till(front.Addr().String(), n, options.Rare(n))
	})
}

func each(listener net.Listener, serve func(net.Conn)) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go serve(conn)
	}
}

// account answers each line, and hangs up on whoever says nothing for two seconds.
func account(conn net.Conn) {
	defer conn.Close()
	lines := bufio.NewScanner(conn)
	for conn.SetDeadline(time.Now().Add(2*time.Second)) == nil && lines.Scan() {
		fmt.Fprintf(conn, "booked %s\n", lines.Text())
	}
}

// till books one sale; one in some breaks off, as one does that loses its power.
func till(door string, sale int, breaksOff bool) {
	conn, err := net.Dial("tcp", door)
	if err != nil {
		return
	}
	defer conn.Close()
	fmt.Fprintf(conn, "sale %d\n", sale)
	bufio.NewReader(conn).ReadString('\n')
	if breaksOff {
		conn.(*net.TCPConn).SetLinger(0)
	}
}
