// Package gallery hangs pictures.
package gallery

import (
	"context"
	"fmt"
	"io"
	"net/http"
)

// Wall shows pictures of a store.
type Wall struct {
	Store  string
	Client *http.Client
	Fixed  bool
}

// Picture is one in the size that is shown.
func (w *Wall) Picture(ctx context.Context, n int) ([]byte, error) {
	answer, err := w.get(ctx, fmt.Sprintf("/picture/%d", n))
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	return io.ReadAll(answer.Body)
}

// Preview is the width of an original: the headers tell.
func (w *Wall) Preview(ctx context.Context, n int) (string, error) {
	answer, err := w.get(ctx, fmt.Sprintf("/original/%d", n)) // LEAK[borrowed,used]: gallery-preview
	if err != nil {
		return "", err
	}
	if w.Fixed {
		defer answer.Body.Close()
	}
	return answer.Header.Get("X-Width"), nil
}

func (w *Wall) get(ctx context.Context, path string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, w.Store+path, nil)
	if err != nil {
		return nil, err
	}
	return w.Client.Do(request)
}
