// Asks its own HTTP server for pages as fast as it can, over connections that are kept: every request goes through
// net/http's hand-out function.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
)

func fetch(client *http.Client, url string) {
	response, err := client.Get(url)
	if err != nil {
		return
	}
	io.Copy(io.Discard, response.Body)
	response.Body.Close()
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "ok") }))
	url := "http://" + listener.Addr().String() + "/"
	client := &http.Client{}
	go func() {
		for {
			fetch(client, url)
		}
	}()
	fmt.Println("ready")
	for {
		fetch(client, url)
	}
}
