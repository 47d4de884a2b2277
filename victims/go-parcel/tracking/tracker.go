// Package tracking knows where parcels are.
package tracking

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Tracker asks a carrier.
type Tracker struct {
	base    string
	dialect Dialect
	shared  *http.Client
	fixed   bool
}

// NewTracker returns a tracker of the carrier at base.
func NewTracker(base string, dialect Dialect, fixed bool) *Tracker {
	shared := &http.Client{Transport: newTransport(dialect), Timeout: 5 * time.Second}
	return &Tracker{base: base, dialect: dialect, shared: shared, fixed: fixed}
}

// Moving looks for a parcel that is on its way.
func (t *Tracker) Moving(ctx context.Context, parcel int) error {
	return t.ask(ctx, t.shared, "moving", parcel)
}

// Delivered looks for a parcel that has arrived.
func (t *Tracker) Delivered(ctx context.Context, parcel int) error {
	return t.ask(ctx, t.shared, "delivered", parcel)
}

// Returned looks for a parcel that comes back; the partner who brings it wants settings of its own.
func (t *Tracker) Returned(ctx context.Context, parcel int) error {
	partner := &http.Client{Transport: newTransport(t.dialect), Timeout: 5 * time.Second}
	if t.fixed {
		defer partner.CloseIdleConnections()
	}
	return t.ask(ctx, partner, "returned", parcel) // LEAK[borrowed]: parcel-client
}

// ask reads where one parcel is.
func (t *Tracker) ask(ctx context.Context, client *http.Client, what string, parcel int) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/%s/%d", t.base, what, parcel), nil)
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
