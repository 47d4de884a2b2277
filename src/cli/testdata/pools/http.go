package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
)

func portOf(r *http.Request) int {
	_, text, _ := net.SplitHostPort(r.RemoteAddr)
	port, err := strconv.Atoi(text)
	must(err)
	return port
}

// Says something, and the rest when its turn has come.
func holding(k *keeper) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "begin")
		w.(http.Flusher).Flush()
		if name := r.URL.Query().Get("name"); name != "" {
			k.hold(name, portOf(r))
		}
		io.WriteString(w, "end")
	})
}

func get(client *http.Client, url string) {
	response, err := client.Get(url)
	must(err)
	io.Copy(io.Discard, response.Body)
	response.Body.Close()
}

func fillHTTP(k *keeper) func() {
	server := httptest.NewServer(holding(k))
	k.serves(server.Listener)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 10}}
	k.ask(func(name string) { get(client, server.URL+"/?name="+name) })
	return func() { get(client, server.URL) }
}

// Of each connection its own client: one would serve them all.
func fillHTTP2(k *keeper) func() {
	server := httptest.NewUnstartedServer(holding(k))
	server.EnableHTTP2 = true
	server.StartTLS()
	k.serves(server.Listener)
	var clients []*http.Client
	for i := 0; i < idle+borrowed; i++ {
		clients = append(clients, &http.Client{
			Transport: server.Client().Transport.(*http.Transport).Clone()})
	}
	next := 0
	k.ask(func(name string) {
		next++
		get(clients[next-1], server.URL+"/?name="+name)
	})
	return func() {
		for i := 0; i < idle; i++ {
			get(clients[i], server.URL)
		}
	}
}

// Nobody reads the end of an answer that has come.
func fillUnread(k *keeper) func() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%100000d", 1)
		k.mu.Lock()
		defer k.mu.Unlock()
		if r.URL.Query().Get("name") != "" {
			k.ports = append(k.ports, portOf(r))
		}
	}))
	k.serves(server.Listener)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 10}}
	k.borrow(func() func() {
		before := len(k.ports)
		response, err := client.Get(server.URL + "/?name=x")
		must(err)
		for known := before; known == before; {
			k.mu.Lock()
			known = len(k.ports)
			k.mu.Unlock()
		}
		return func() {
			io.Copy(io.Discard, response.Body)
			response.Body.Close()
		}
	})
	return func() { get(client, server.URL) }
}

func init() {
	kinds = append(kinds, kind{"http", fillHTTP}, kind{"http2", fillHTTP2}, kind{"unread", fillUnread})
}
