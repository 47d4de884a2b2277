// Package notify sends the events of orders to their subscribers.
package notify

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Sender sends events to one subscriber.
type Sender struct {
	base   string
	shared *http.Client
	fixed  bool
}

// NewSender returns a sender to the subscriber at base.
func NewSender(base string, fixed bool) *Sender {
	return &Sender{base: base, shared: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}, fixed: fixed}
}

// Shipped tells that an order is on its way.
func (s *Sender) Shipped(ctx context.Context, order int) error {
	return s.post(ctx, s.shared, "shipped", order)
}

// Refunded tells that an order was paid back; finance wants no more than a second spent on it.
func (s *Sender) Refunded(ctx context.Context, order int) error {
	client := s.shared
	if !s.fixed {
		client = &http.Client{Timeout: time.Second, Transport: &http.Transport{}}
	}
	return s.post(ctx, client, "refunded", order) // LEAK[borrowed]: webhook-client
}

// post sends one event and reads the answer.
func (s *Sender) post(ctx context.Context, client *http.Client, event string, order int) error {
	body := strings.NewReader(fmt.Sprintf(`{"event": %q, "order": %d}`, event, order))
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.base+"/"+event, body)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return err
}
