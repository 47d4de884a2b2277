package main

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	_ "github.com/lib/pq"
)

// twoPools has two pools to one database: a busy one for users, a quiet one for the reports of the night, which stays
// idle while the other dials.
func twoPools(ctx context.Context, s *service) error {
	users, err := s.pool(3)
	if err != nil {
		return err
	}
	defer users.Close()
	users.SetConnMaxLifetime(s.span(5 * time.Second)) // so it dials again and again
	reports, err := s.pool(8)
	if err != nil {
		return err
	}
	defer reports.Close()
	if err := together(ctx, reports, 6); err != nil {
		return err
	}
	go every(ctx, s.span(45*time.Second), func(int) error { return together(ctx, reports, 6) })
	return every(ctx, 25*time.Millisecond, func(n int) error { return balance(ctx, users, n) })
}

// surplus has rushes in which the pool grows beyond what it keeps: the surplus dies young.
func surplus(ctx context.Context, s *service) error {
	pool, err := s.pool(2)
	if err != nil {
		return err
	}
	defer pool.Close()
	pool.SetConnMaxIdleTime(s.span(20 * time.Second))
	return every(ctx, s.span(2*time.Second), func(int) error { return together(ctx, pool, 8) })
}

// listen waits for notifications on one session, and holds an advisory lock with another, both as long as it lives.
func listen(ctx context.Context, s *service) error {
	leader, err := pgx.Connect(ctx, s.postgres)
	if err != nil {
		return err
	}
	defer leader.Close(context.Background())
	if _, err := leader.Exec(ctx, "SELECT pg_advisory_lock($1)", time.Now().UnixNano()); err != nil {
		return err
	}
	listener, err := pgx.Connect(ctx, s.postgres)
	if err != nil {
		return err
	}
	defer listener.Close(context.Background())
	if _, err := listener.Exec(ctx, "LISTEN habits"); err != nil {
		return err
	}
	go every(ctx, s.span(20*time.Second), func(int) error { return s.notify(ctx) })
	for {
		if _, err := listener.WaitForNotification(ctx); err != nil {
			return err
		}
	}
}

func (s *service) notify(ctx context.Context) error {
	session, err := pgx.Connect(ctx, s.postgres)
	if err != nil {
		return err
	}
	defer session.Close(ctx)
	_, err = session.Exec(ctx, "NOTIFY habits, 'changed'")
	return err
}

// restart has a pool that lies idle between two nightly runs, while the database is restarted under it: all its
// sessions end at once, with a farewell that nobody reads. A busy pool to the same database dials meanwhile.
func restart(ctx context.Context, s *service) error {
	nightly, err := s.named("application_name", "nightly", 10)
	if err != nil {
		return err
	}
	defer nightly.Close()
	if err := together(ctx, nightly, 8); err != nil {
		return err
	}
	go every(ctx, s.span(70*time.Second), func(int) error {
		session, err := pgx.Connect(ctx, s.postgres)
		if err != nil {
			return err
		}
		defer session.Close(ctx)
		_, err = session.Exec(ctx, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'nightly'")
		return err
	})
	return s.daytime(ctx)
}

// idleTimeout has an idle pool whose sessions the database ends one by one when they are idle for too long.
func idleTimeout(ctx context.Context, s *service) error {
	seldom, err := s.named("idle_session_timeout", fmt.Sprint(s.span(30*time.Second).Milliseconds()), 10)
	if err != nil {
		return err
	}
	defer seldom.Close()
	go every(ctx, s.span(100*time.Second), func(int) error { return together(ctx, seldom, 6) })
	if err := together(ctx, seldom, 6); err != nil {
		return err
	}
	return s.daytime(ctx)
}

// daytime is the traffic beside an idle pool: short sessions, so that there are always new dials.
func (s *service) daytime(ctx context.Context) error {
	users, err := s.pool(3)
	if err != nil {
		return err
	}
	defer users.Close()
	users.SetConnMaxLifetime(s.span(5 * time.Second))
	return every(ctx, 25*time.Millisecond, func(n int) error { return balance(ctx, users, n) })
}

// named is a pool whose sessions carry a setting.
func (s *service) named(key, value string, idle int) (*sql.DB, error) {
	pool, err := sql.Open("postgres", s.postgres+"&"+key+"="+value)
	if err == nil {
		pool.SetMaxIdleConns(idle)
	}
	return pool, err
}

func (s *service) pool(idle int) (*sql.DB, error) {
	pool, err := sql.Open("postgres", s.postgres)
	if err == nil {
		pool.SetMaxIdleConns(idle)
	}
	return pool, err
}

func balance(ctx context.Context, pool *sql.DB, account int) error {
	var sum int
	return pool.QueryRowContext(ctx, "SELECT coalesce(sum(amount), 0) FROM transfers WHERE account = $1", account%400).Scan(&sum)
}

// together asks from several goroutines at once, so that the pool needs as many sessions.
func together(ctx context.Context, pool *sql.DB, count int) error {
	var group sync.WaitGroup
	failures := make(chan error, count)
	for n := range count {
		group.Go(func() {
			if _, err := pool.ExecContext(ctx, "SELECT pg_sleep(0.02)"); err != nil {
				failures <- err
				return
			}
			if err := balance(ctx, pool, n); err != nil {
				failures <- err
			}
		})
	}
	group.Wait()
	select {
	case err := <-failures:
		return err
	default:
		return nil
	}
}
