// Holds the hand-out functions of net/http.
package main

import (
	"io"
	"net/http"
)

func main() {
	response, err := http.Get("https://127.0.0.1:1/")
	if err == nil {
		io.Copy(io.Discard, response.Body)
		response.Body.Close()
	}
}
