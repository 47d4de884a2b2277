// Package offers asks the marketing department for offers.
package offers

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// Offer is what the front page shows.
type Offer struct{ Text string }

// Desk asks for offers, and counts what that takes.
type Desk struct {
	Bytes  Bytes
	base   string
	client *http.Client
	fixed  bool
}

// New returns a desk that asks the department at base.
func New(base string, fixed bool) *Desk {
	desk := &Desk{base: base, fixed: fixed}
	desk.client = &http.Client{Transport: transport(&desk.Bytes)}
	return desk
}

func (d *Desk) ask(ctx context.Context, path string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, d.base+path, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	return d.client.Do(request)
}

// Offer is the offer of that name.
func (d *Desk) Offer(ctx context.Context, name string) (Offer, error) {
	var offer Offer
	response, err := d.ask(ctx, "/offers/"+name) // LEAK[borrowed]: offers-status
	if err != nil {
		return offer, err
	}
	if response.StatusCode != http.StatusOK && !d.fixed {
		return offer, fmt.Errorf("offer %s: %s", name, response.Status) // the body stays open
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		io.Copy(io.Discard, response.Body)
		return offer, fmt.Errorf("offer %s: %s", name, response.Status)
	}
	return offer, json.NewDecoder(response.Body).Decode(&offer)
}
