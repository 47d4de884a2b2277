// Package session is what is known of a visitor.
package session

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// Store keeps sessions; Client is shared by all.
type Store struct {
	Client  *redis.Client
	Address string
	Spare   int
	Fixed   bool
}

// Touch notes that the visitor is there.
func (s *Store) Touch(ctx context.Context, visitor string) error {
	return set(ctx, s.Client, "seen:"+visitor, time.Now().Format(time.RFC3339))
}

// Cart is what the visitor wants to buy.
func (s *Store) Cart(ctx context.Context, visitor string) (string, error) {
	cart, err := s.Client.Get(ctx, "cart:"+visitor).Result()
	if errors.Is(err, redis.Nil) {
		return "", nil
	}
	return cart, err
}

// Forget erases a visitor, in the database for personal data.
func (s *Store) Forget(ctx context.Context, visitor string) error {
	private := s.private()
	if s.Fixed {
		defer private.Close()
	}
	return set(ctx, private, "forgotten:"+visitor, "yes") // LEAK[used,opened,borrowed]: session-client
}

func (s *Store) private() *redis.Client {
	return redis.NewClient(&redis.Options{Addr: s.Address, DB: 1, MinIdleConns: s.Spare})
}

func set(ctx context.Context, client *redis.Client, key, value string) error {
	return client.Set(ctx, key, value, time.Hour).Err()
}
