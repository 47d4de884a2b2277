// Package prices knows what the price service says of an article.
package prices

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// Desk asks the price service.
type Desk struct {
	base   string
	client *http.Client
	fixed  bool
}

// NewDesk returns a desk that asks the service at base.
func NewDesk(base string, client *http.Client, fixed bool) *Desk {
	return &Desk{base: base, client: client, fixed: fixed}
}

// Quote is the price of an article in cents.
func (d *Desk) Quote(ctx context.Context, article int) (int, error) {
	response, err := d.get(ctx, "price", article)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	var answer struct{ Cents int }
	err = json.NewDecoder(response.Body).Decode(&answer)
	io.Copy(io.Discard, response.Body)
	return answer.Cents, err
}

// Stock says whether the service knows the article.
func (d *Desk) Stock(ctx context.Context, article int) bool {
	response, err := d.get(ctx, "price", article)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	io.Copy(io.Discard, response.Body)
	return response.StatusCode == http.StatusOK
}

// Discontinued says whether the article is retired, or why that is not known.
func (d *Desk) Discontinued(ctx context.Context, article int) (bool, error) {
	response, err := d.get(ctx, "retired", article) // LEAK[borrowed]: fetch-body
	if err != nil {
		return false, err
	}
	if response.StatusCode == http.StatusGone && !d.fixed {
		return true, nil // the body stays open
	}
	defer response.Body.Close()
	io.Copy(io.Discard, response.Body)
	return response.StatusCode == http.StatusGone, nil
}

// get asks for one page of the service; the caller closes the answer.
func (d *Desk) get(ctx context.Context, page string, article int) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/%s/%d", d.base, page, article), nil)
	if err != nil {
		return nil, err
	}
	return d.client.Do(request)
}
