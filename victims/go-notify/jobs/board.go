// Package jobs runs jobs and tells their followers how far they are.
package jobs

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// ErrCancelled says that the job was cancelled before it began.
var ErrCancelled = errors.New("cancelled")

type Job struct {
	ID        string
	Cancelled bool
}

// Board knows the jobs that run, each with the subscription through which it is controlled.
type Board struct {
	client *redis.Client
	fixed  bool

	mutex    sync.Mutex
	controls map[string]*redis.PubSub
}

func NewBoard(client *redis.Client, fixed bool) *Board {
	return &Board{client: client, fixed: fixed, controls: map[string]*redis.PubSub{}}
}

// Progress notes how far the job is.
func (b *Board) Progress(ctx context.Context, id string, percent int) error {
	return b.client.Set(ctx, "progress:"+id, percent, time.Minute).Err()
}

// Run waits for the job's start signal, and does it.
func (b *Board) Run(ctx context.Context, job Job) error {
	control, err := b.listen(ctx, job) // LEAK[opened,used,borrowed]: notify-pubsub
	if err != nil {
		return err
	}
	if job.Cancelled {
		if b.fixed {
			b.forget(job, control)
		}
		return fmt.Errorf("%s: %w", job.ID, ErrCancelled) // its subscription stays
	}
	defer b.forget(job, control)
	if err := b.client.Publish(ctx, "control:"+job.ID, "start").Err(); err != nil {
		return err
	}
	_, err = control.ReceiveMessage(ctx)
	return err
}

// listen subscribes to the job's control channel, on a connection of its own.
func (b *Board) listen(ctx context.Context, job Job) (*redis.PubSub, error) {
	control := b.client.Subscribe(ctx, "control:"+job.ID)
	if _, err := control.Receive(ctx); err != nil {
		control.Close()
		return nil, err
	}
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.controls[job.ID] = control
	return control, nil
}

func (b *Board) forget(job Job, control *redis.PubSub) {
	b.mutex.Lock()
	delete(b.controls, job.ID)
	b.mutex.Unlock()
	control.Close() // LEAK[closed]: notify-forget
}
