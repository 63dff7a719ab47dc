package bolt

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/switchback-proxy/switchback/store"
	"github.com/switchback-proxy/switchback/store/ledger"
	berrors "go.etcd.io/bbolt/errors"
)

// DefaultTimeout is that of Options.
const DefaultTimeout = 5 * time.Second

// Options are the choices at Open. The zero value is good.
type Options struct {
	// Timeout bounds the wait for another process to let go of the folder and, anew, opening and
	// verifying what is in it. 0 means DefaultTimeout.
	Timeout time.Duration
	// OnWarning hears of trouble that a write survived: last-good.json could not be written, the database
	// had to be rebuilt. It is called before the write returns, and must not write itself. nil: nobody.
	OnWarning func(error)
}

// Origin is where the content of an opened store comes from.
type Origin int

// The origins.
const (
	Fresh     Origin = iota // there was nothing: a first start
	Intact                  // from the database
	Recovered               // from a copy that may lack the last write: last-good.json, or the database's own
	Lost                    // there was state, but neither could be read: empty, and revisions start over
)

var origins = [...]string{Fresh: "fresh", Intact: "intact", Recovered: "recovered", Lost: "lost"}

// String is the word for an origin in logs and metrics.
func (o Origin) String() string {
	if o < 0 || int(o) >= len(origins) {
		return fmt.Sprintf("origin %d", int(o))
	}
	return origins[o]
}

// Report tells what Open found.
type Report struct {
	Origin   Origin
	Warnings []string // what a person should know, one fact each
	SetAside string   // the name the damaged database has now, in the same folder; "" if there was none
}

func (r *Report) warn(format string, args ...any) {
	r.Warnings = append(r.Warnings, fmt.Sprintf(format, args...))
}

// Open opens the store in a folder, which it makes if need be, and verifies all of it. A database that is
// damaged or cannot be read is set aside and rebuilt from last-good.json; if that is of no use either,
// the store starts empty. The report says which.
//
// It is an error, and nothing is set aside, when another process uses the folder (ErrInUse), when the
// time is over before a repair began, and when there is no room for one.
func Open(dir string, o Options) (*Store, Report, error) {
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	s, report, err := openWithin(dir, o)
	if err != nil {
		return nil, report, fmt.Errorf("open state dir %s: %w", dir, err)
	}
	return s, report, nil
}

// openWithin gives up on a disk that does not answer. What it left running undoes itself when it ends.
func openWithin(dir string, o Options) (*Store, Report, error) {
	f, err := openFolder(dir, o.Timeout)
	if err != nil {
		return nil, Report{}, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), o.Timeout)
	defer cancel()
	a := &attempt{folder: f, options: o}
	done := make(chan error, 1)
	go func() { done <- a.run(ctx) }()
	select {
	case err := <-done:
		return a.store, a.report, err
	case <-ctx.Done():
		go func() {
			if <-done == nil {
				_ = a.store.Close()
			}
		}()
		return nil, Report{}, fmt.Errorf("%w: not done after %v", store.ErrUnavailable, o.Timeout)
	}
}

// attempt is one Open under way.
type attempt struct {
	folder  *folder
	options Options
	report  Report
	store   *Store // when it succeeded
}

func (a *attempt) run(ctx context.Context) error {
	content, good, err := a.restore(ctx)
	if err != nil {
		return errors.Join(err, a.folder.close())
	}
	a.store.ledger = ledger.New(content.entries, content.revision)
	a.store.seal = content.seal()
	if good.sum != content.sum {
		if err := a.folder.writeGood(content); err != nil {
			a.report.warn("%v", err)
			a.store.goodErr = err
		}
	}
	return nil
}

// restore finds the content, in the database or in last-good.json, and leaves an open database that
// holds it. It also returns what last-good.json holds.
func (a *attempt) restore(ctx context.Context) (content, good image, err error) {
	f := a.folder
	a.look()
	marked := f.exists(markName)
	good, goodErr := f.readGood()
	if blameless(goodErr) {
		return content, good, goodErr
	}
	db, content, whole, dbErr := a.openDatabase()
	if blameless(dbErr) {
		return content, good, dbErr
	}
	if dbErr == nil && goodErr == nil && good.revision > content.revision {
		db.abandon(nil)
		dbErr = fmt.Errorf("it is at revision %d and %s at %d: it lost its last write", content.revision, goodName, good.revision)
	}

	a.report.Origin = judge(dbErr, goodErr, whole, marked)
	a.warn(dbErr, goodErr)
	if dbErr != nil {
		if content = good; goodErr != nil {
			content = empty
		}
		if db, err = a.rebuild(ctx, content, dbErr); err != nil {
			return content, good, err
		}
	}
	a.store = newStore(f, db, a.options)
	return content, good, a.settle(goodErr, marked)
}

// judge tells the origin from what could be read. A database with one meta page may be a write behind;
// only last-good.json can tell.
func judge(dbErr, goodErr error, whole, marked bool) Origin {
	switch {
	case dbErr == nil && (whole || goodErr == nil):
		return Intact
	case dbErr == nil, goodErr == nil:
		return Recovered
	case missing(dbErr) && missing(goodErr) && !marked:
		return Fresh
	}
	return Lost
}

// look cleans up after a crash and warns of a folder that others may write to.
func (a *attempt) look() {
	if err := a.folder.clean(); err != nil {
		a.report.warn("remove leftovers: %v", err)
	}
	if info, err := a.folder.root.Stat("."); err == nil && info.Mode().Perm()&0o022 != 0 {
		a.report.warn("the state dir may be written to by others (mode %v)", info.Mode().Perm())
	}
}

func (a *attempt) warn(dbErr, goodErr error) {
	if a.report.Origin == Fresh {
		return
	}
	if dbErr != nil {
		a.report.warn("%s: %v", databaseName, dbErr)
	}
	if goodErr != nil {
		a.report.warn("%s: %v", goodName, goodErr)
	}
}

func (a *attempt) openDatabase() (db *database, content image, whole bool, err error) {
	db, content, whole, err = openDatabase(a.folder, max(a.options.Timeout/2, time.Millisecond))
	if errors.Is(err, berrors.ErrTimeout) {
		err = ErrInUse
	}
	if err == nil && !whole {
		a.report.warn("%s: one of its two meta pages is damaged; the last write may be missing from it", databaseName)
	}
	return db, content, whole, err
}

// rebuild makes a database of content in the place of the damaged one.
func (a *attempt) rebuild(ctx context.Context, content image, why error) (*database, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	db, aside, err := rebuildDatabase(a.folder, content)
	a.report.SetAside = aside
	if err != nil {
		return nil, fmt.Errorf("rebuild %s (%w): %w", databaseName, why, err)
	}
	return db, nil
}

// rebuildDatabase builds first and sets the old one aside then, so a full disk changes nothing. Between
// the two renames last-good.json alone holds the state.
func rebuildDatabase(f *folder, content image) (db *database, aside string, err error) {
	if err := buildDatabase(f, content); err != nil {
		return nil, "", err
	}
	if aside, err = f.setAside(databaseName, time.Now()); err != nil {
		return nil, aside, err
	}
	if err := f.install(databaseName); err != nil {
		return nil, aside, err
	}
	db, _, _, err = openDatabase(f, time.Second)
	return db, aside, err
}

// settle brings the other files in order once the database is.
func (a *attempt) settle(goodErr error, marked bool) error {
	if goodErr != nil && !missing(goodErr) {
		aside, err := a.folder.setAside(goodName, time.Now())
		if err != nil {
			a.report.warn("set %s aside: %v", goodName, err)
		} else {
			a.report.warn("%s is now %s", goodName, aside)
		}
	}
	if marked {
		return nil
	}
	// Without the mark a later loss would look like a first start, so no write may be acknowledged.
	if err := a.folder.write(markName, []byte(time.Now().UTC().Format(time.RFC3339)+"\n")); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", markName, err), a.store.db.close())
	}
	return nil
}

// readGood reads last-good.json.
func (f *folder) readGood() (image, error) {
	info, err := f.root.Stat(goodName)
	if err != nil {
		return image{}, err
	}
	if !info.Mode().IsRegular() {
		return image{}, fmt.Errorf("not a file but %v", info.Mode())
	}
	b, err := f.root.ReadFile(goodName)
	if err != nil {
		return image{}, err
	}
	return parseFile(b)
}

// writeGood writes last-good.json.
func (f *folder) writeGood(content image) error {
	if err := f.write(goodName, content.file()); err != nil {
		return fmt.Errorf("write %s at revision %d: %w", goodName, content.revision, err)
	}
	return nil
}
