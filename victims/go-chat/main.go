// Command go-chat is a small chat server, and the people who drop in.
//
// It shows: accepted connections that are kept after the peer has gone. A member who muted the room is taken off the
// list of readers, but stays on the list of members, with the connection: CLOSE_WAIT for ever.
package main

import (
	"bufio"
	"fmt"
	"net"
	"time"

	"shop.test/victims/go-chat/hub"
	"shop.test/victims/internal/traffic"
)

func main() {
	options := traffic.Parse(50, 25)
	ctx, stop := options.Context()
	defer stop()

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	traffic.Must(err)
	room := hub.New(options.Fixed)
	go room.Serve(listener)
	defer listener.Close()

	options.Drive(ctx, 2, func(n int) {
		lines := []string{fmt.Sprintf("NAME guest-%d", n), "SAY hello", "SAY bye"}
		if options.Rare(n) {
			lines[2] = "MUTE"
		}
		visit(listener.Addr().String(), lines)
	})
}

// visit says the lines, one after the other, and leaves.
func visit(address string, lines []string) {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return
	}
	defer conn.Close()
	answers := bufio.NewReader(conn)
	for _, line := range lines {
		if _, err := fmt.Fprintln(conn, line); err != nil {
			return
		}
		if _, err := answers.ReadString('\n'); err != nil {
			return
		}
	}
}
