// Package alarm tells people of machines.
package alarm

import (
	"io"
	"log/slog"
	"net/http"
	"strings"
)

// Pager reaches people by one web hook.
type Pager struct {
	hook   string
	client *http.Client
	fixed  bool
}

// NewPager returns a pager at hook.
func NewPager(hook string, fixed bool) *Pager {
	return &Pager{hook: hook, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4}}, fixed: fixed}
}

// Trouble wakes somebody up.
func (p *Pager) Trouble(machine string) { p.call("trouble", machine) }

// Recovered lets them sleep; it does not matter when it arrives.
func (p *Pager) Recovered(machine string) {
	if p.fixed {
		go p.call("recovered", machine)
		return
	}
	go p.client.Post(p.hook+"/recovered", "text/plain", strings.NewReader(machine)) // LEAK[borrowed]: pager-forgotten
}

func (p *Pager) call(event, machine string) {
	answer, err := p.client.Post(p.hook+"/"+event, "text/plain", strings.NewReader(machine))
	if err != nil {
		slog.Error("pager failed", "err", err)
		return
	}
	defer answer.Body.Close()
	io.Copy(io.Discard, answer.Body)
}
