// Holds the hand-out functions of golang.org/x/net/http2.
package main

import (
	"io"
	"net/http"

	"golang.org/x/net/http2"
)

func main() {
	client := &http.Client{Transport: &http2.Transport{}}
	response, err := client.Get("https://127.0.0.1:1/")
	if err == nil {
		io.Copy(io.Discard, response.Body)
		response.Body.Close()
	}
}
