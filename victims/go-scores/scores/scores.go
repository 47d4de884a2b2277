// Package scores tells what falls where.
package scores

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Routes is what browsers may ask.
func Routes(fixed bool) http.Handler {
	desk := &desk{fixed: fixed}
	routes := http.NewServeMux()
	routes.HandleFunc("GET /scores/{match}", desk.stream)
	return routes
}

type desk struct{ fixed bool }

// stream sends the score whenever it changes.
func (d *desk) stream(answer http.ResponseWriter, request *http.Request) {
	goals := follow(request.PathValue("match"))
	answer.Header().Set("Content-Type", "text/event-stream")
	if err := send(answer, 0); err != nil { // LEAK[used,held]: scores-stream
		return
	}
	for score := 1; ; score++ {
		if d.fixed {
			select {
			case <-goals:
			case <-request.Context().Done():
				return
			}
		} else {
			<-goals // LEAK[held]: scores-stream
		}
		if err := send(answer, score); err != nil { // LEAK[used,held]: scores-stream
			return
		}
	}
}

func send(answer http.ResponseWriter, score int) error {
	if _, err := fmt.Fprintf(answer, "event: score\ndata: %d\n\n", score); err != nil {
		return err
	}
	return http.NewResponseController(answer).Flush()
}

// follow gives the goals of a match. Nothing falls before it begins.
func follow(match string) <-chan time.Time {
	if strings.HasPrefix(match, "tomorrow-") {
		return nil
	}
	return time.Tick(40 * time.Millisecond)
}
