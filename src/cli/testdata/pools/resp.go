package main

import (
	"bufio"
	"io"
	"net"
	"strconv"
	"strings"
)

// Redis, as far as PING.
func serveRedis(c net.Conn) {
	in := bufio.NewReader(c)
	number := func(mark string) int {
		line, err := in.ReadString('\n')
		n, wrong := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(line, mark)))
		if err != nil || wrong != nil {
			return -1
		}
		return n
	}
	for {
		count := number("*")
		if count < 0 {
			return
		}
		var words []string
		for i := 0; i < count; i++ {
			length := number("$")
			if length < 0 {
				return
			}
			word := make([]byte, length+2)
			if _, err := io.ReadFull(in, word); err != nil {
				return
			}
			words = append(words, strings.ToLower(string(word[:length])))
		}
		if len(words) > 0 && words[0] == "ping" {
			c.Write([]byte("+PONG\r\n"))
		} else {
			c.Write([]byte("-ERR unknown command\r\n"))
		}
	}
}
