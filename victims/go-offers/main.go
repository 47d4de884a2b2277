// Command go-offers shows the offers of the week, which the marketing department serves over HTTP.
//
// It shows: a response body that is not closed on the way out that a bad status takes. All that the service says and hears is
// counted, so its own code dials and writes, on goroutines of net/http; none of that is where the body should have been closed,
// and neither is the helper that asks: where it is closed on the good way shows that.
package main

import (
	"context"
	"fmt"
	"net"
	"net/http"

	"shop.test/victims/go-offers/offers"
	"shop.test/victims/internal/traffic"
)

func main() {
	options := traffic.Parse(40, 20)
	ctx, stop := options.Context()
	defer stop()

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	traffic.Must(err)
	go http.Serve(listener, http.HandlerFunc(marketing))

	desk := offers.New("http://"+listener.Addr().String(), options.Fixed)
	options.Drive(ctx, 3, func(n int) {
		name := fmt.Sprintf("week-%d", n%53)
		if options.Rare(n) {
			name = "withdrawn"
		}
		front(ctx, desk, name)
	})
}

// front is the page that shows an offer.
func front(ctx context.Context, desk *offers.Desk, name string) string {
	offer, err := desk.Offer(ctx, name)
	if err != nil {
		return "no offer today"
	}
	return offer.Text
}

func marketing(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/offers/withdrawn" {
		http.Error(w, "this offer has been withdrawn", http.StatusGone)
		return
	}
	fmt.Fprintf(w, `{"text": "ten for nine: %s"}`, r.URL.Path)
}
