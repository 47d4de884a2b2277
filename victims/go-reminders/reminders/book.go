// Package reminders keeps what is to be done later.
package reminders

import (
	"context"
	"time"
)

// Book takes notes.
type Book struct {
	notes chan string
	fixed bool
	last  string
}

// Open gives a book that is kept until ctx ends.
func Open(ctx context.Context, fixed bool) *Book {
	book := &Book{notes: make(chan string, 8), fixed: fixed}
	go book.keep(ctx)
	return book
}

// Note adds one.
func (b *Book) Note(text string) { b.notes <- text }

// keep takes note after note, and tidies up when an hour passes without one.
func (b *Book) keep(ctx context.Context) {
	quiet := time.NewTimer(time.Hour)
	defer quiet.Stop()
	for {
		if b.fixed {
			select {
			case b.last = <-b.notes:
				quiet.Reset(time.Hour)
			case <-quiet.C:
				b.last = ""
			case <-ctx.Done():
				return
			}
			continue
		}
		select {
		case b.last = <-b.notes:
		case <-time.After(time.Hour):
			b.last = ""
		case <-ctx.Done():
			return
		}
	}
}
