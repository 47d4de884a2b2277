package main

import (
	"bufio"
	"net"
	"strings"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
)

func serveMemcache(k *keeper) func(net.Conn) {
	return func(c net.Conn) {
		in := bufio.NewReader(c)
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			words := strings.Fields(line)
			if len(words) == 2 && strings.HasPrefix(words[1], "hold") {
				k.hold(words[1], c.RemoteAddr().(*net.TCPAddr).Port)
			}
			c.Write([]byte("END\r\n"))
		}
	}
}

func fillMemcache(k *keeper) func() {
	client := memcache.New(k.listen(serveMemcache(k)))
	client.Timeout = time.Hour
	client.MaxIdleConns = 10
	get := func(name string) {
		if _, err := client.Get(name); err != memcache.ErrCacheMiss {
			panic(err)
		}
	}
	k.ask(get)
	return func() { get("x") }
}

func init() { kinds = append(kinds, kind{"memcache", fillMemcache}) }
