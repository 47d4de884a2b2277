// Answers each request on a connection of its own, as a service behind an old proxy does.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
)

func page(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "ok\n") }

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println("ready", listener.Addr().(*net.TCPAddr).Port)
	server := &http.Server{Handler: http.HandlerFunc(page)}
	server.SetKeepAlivesEnabled(false)
	panic(server.Serve(listener))
}
