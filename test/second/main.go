// The log checked by code that is not ours: golang.org/x/mod/sumdb/{note,tlog} verifies the checkpoint, every
// entry against its leaf hash, inclusion and consistency out of tiles, receipts and cosignatures.
//
//	second log -url http://127.0.0.1:8470 -key FILE [-token T] [-old SIZE] [-witness FILE]
//	second receipt -key FILE [-witness FILE] RECEIPT...
//
// It prints one line for each thing that holds, and ends with 1 at the first that does not.
package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func must(err error, what string) {
	if err != nil {
		fmt.Printf("FALSE %s: %v\n", what, err)
		os.Exit(1)
	}
}

func holds(format string, args ...any) { fmt.Printf("holds "+format+"\n", args...) }

func text(path string) string {
	b, err := os.ReadFile(path)
	must(err, path)
	return strings.TrimSpace(string(b))
}

// witness verifies timestamped cosignatures (C2SP tlog-cosignature, signature type 4).
type witness struct {
	name string
	hash uint32
	pub  ed25519.PublicKey
}

func newWitness(line string) (*witness, error) {
	name, rest, _ := strings.Cut(line, "+")
	id, key, _ := strings.Cut(rest, "+")
	raw, err := base64.StdEncoding.DecodeString(key)
	if err != nil || len(raw) != 33 || raw[0] != 4 {
		return nil, errors.New("this is no cosigner's key line")
	}
	sum := sha256.Sum256(append([]byte(name+"\n"), raw...))
	hash := binary.BigEndian.Uint32(sum[:])
	if fmt.Sprintf("%08x", hash) != id {
		return nil, errors.New("the key line's id does not fit")
	}
	return &witness{name, hash, ed25519.PublicKey(raw[1:])}, nil
}

func (w *witness) Name() string    { return w.name }
func (w *witness) KeyHash() uint32 { return w.hash }
func (w *witness) Verify(msg, sig []byte) bool {
	if len(sig) != 72 {
		return false
	}
	said := fmt.Sprintf("cosignature/v1\ntime %d\n%s", binary.BigEndian.Uint64(sig), msg)
	return ed25519.Verify(w.pub, []byte(said), sig[8:])
}

type head struct {
	origin string
	tree   tlog.Tree
}

func open(signed []byte, key, witnessFile string) head {
	log, err := note.NewVerifier(text(key))
	must(err, "the log's key")
	known := []note.Verifier{log}
	if witnessFile != "" {
		w, err := newWitness(text(witnessFile))
		must(err, "the witness's key")
		known = append(known, w)
	}
	n, err := note.Open(signed, note.VerifierList(known...))
	must(err, "checkpoint")
	if len(n.Sigs) != len(known) {
		must(fmt.Errorf("%d of %d signatures", len(n.Sigs), len(known)), "checkpoint")
	}
	lines := strings.Split(n.Text, "\n")
	if len(lines) != 4 || lines[0] != log.Name() {
		must(errors.New("not three lines, or another origin"), "checkpoint")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	must(err, "checkpoint's size")
	root, err := tlog.ParseHash(lines[2])
	must(err, "checkpoint's root")
	holds("checkpoint %s of %d entries, %d signatures", lines[0], size, len(n.Sigs))
	return head{lines[0], tlog.Tree{N: size, Hash: root}}
}

type server struct{ url, token string }

func (s server) get(path string) ([]byte, *http.Response) {
	r, err := http.NewRequest("GET", s.url+path, nil)
	must(err, path)
	if s.token != "" {
		r.Header.Set("Authorization", "Bearer "+s.token)
	}
	a, err := http.DefaultClient.Do(r)
	must(err, path)
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	must(err, path)
	if a.StatusCode != 200 {
		must(errors.New(a.Status), path)
	}
	return b, a
}

// c2sp writes a tile's path as tlog-tiles has it: as x/mod does, without the height that is always 8.
func c2sp(t tlog.Tile) string {
	return "/tile/" + strings.TrimPrefix(t.Path(), "tile/8/")
}

func (s server) Height() int                         { return 8 }
func (s server) SaveTiles(_ []tlog.Tile, _ [][]byte) {}
func (s server) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, t := range tiles {
		b, a := s.get(c2sp(t))
		if a.Header.Get("Content-Type") != "application/octet-stream" || !strings.Contains(a.Header.Get("Cache-Control"), "immutable") {
			return nil, fmt.Errorf("%s: wrong headers %v", c2sp(t), a.Header)
		}
		all = append(all, b)
	}
	return all, nil
}

func (s server) entries(size int64, each func(i int64, entry []byte)) {
	for at := int64(0); at < size; at += 256 {
		t := tlog.Tile{H: 8, L: 0, N: at / 256, W: int(min(256, size-at))}
		b, _ := s.get("/tile/entries" + strings.TrimPrefix(c2sp(t), "/tile/0"))
		for i := range t.W {
			if len(b) < 2 || len(b)-2 < int(binary.BigEndian.Uint16(b)) {
				must(errors.New("cut short"), "entry bundle")
			}
			n := int(binary.BigEndian.Uint16(b))
			each(at+int64(i), b[2:2+n])
			b = b[2+n:]
		}
		if len(b) != 0 {
			must(errors.New("too long"), "entry bundle")
		}
	}
}

func checkLog(args []string) {
	f := flag.NewFlagSet("log", flag.ExitOnError)
	url, key, token := f.String("url", "", "server"), f.String("key", "", "key file"), f.String("token", "", "bearer token, for entries")
	old, wit := f.Int64("old", 0, "an earlier size"), f.String("witness", "", "cosigner's key file")
	f.Parse(args)
	s := server{*url, *token}
	signed, a := s.get("/checkpoint")
	if a.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
		must(errors.New(a.Header.Get("Content-Type")), "checkpoint's type")
	}
	h := open(signed, *key, *wit)
	// TileHashReader authenticates every tile against the root before any hash of it is used.
	hashes := tlog.TileHashReader(h.tree, s)
	root, err := tlog.TreeHash(h.tree.N, hashes)
	must(err, "tiles")
	if root != h.tree.Hash {
		must(errors.New("another root"), "tiles")
	}
	holds("tiles lead to the signed root")
	for from := max(*old, 1); from <= h.tree.N; from += 1 + h.tree.N/50 {
		was, err := tlog.TreeHash(from, hashes)
		must(err, "tiles")
		p, err := tlog.ProveTree(h.tree.N, from, hashes)
		must(err, "consistency")
		must(tlog.CheckTree(p, h.tree.N, h.tree.Hash, from, was), "consistency")
	}
	holds("consistency from %d on", max(*old, 1))
	if *token == "" {
		return
	}
	var stored []tlog.Hash
	n := int64(0)
	s.entries(h.tree.N, func(i int64, entry []byte) {
		more, err := tlog.StoredHashes(i, entry, tlog.HashReaderFunc(func(at []int64) ([]tlog.Hash, error) {
			var out []tlog.Hash
			for _, x := range at {
				out = append(out, stored[x])
			}
			return out, nil
		}))
		must(err, "entries")
		stored = append(stored, more...)
		p, err := tlog.ProveRecord(h.tree.N, i, hashes)
		must(err, "inclusion")
		must(tlog.CheckRecord(p, h.tree.N, h.tree.Hash, i, tlog.RecordHash(entry)), fmt.Sprintf("entry %d", i))
		n++
	})
	again, err := tlog.TreeHash(h.tree.N, tlog.HashReaderFunc(func(at []int64) ([]tlog.Hash, error) {
		var out []tlog.Hash
		for _, x := range at {
			out = append(out, stored[x])
		}
		return out, nil
	}))
	must(err, "entries")
	if again != h.tree.Hash {
		must(errors.New("another root"), "entries")
	}
	holds("%d entries, each with its inclusion, rebuild the signed root", n)
}

func checkReceipt(path, key, wit string) {
	b, err := os.ReadFile(path)
	must(err, path)
	top, signed, ok := strings.Cut(string(b), "\n\n")
	lines := strings.Split(top, "\n")
	if !ok || len(lines) < 3 || lines[0] != "c2sp.org/tlog-proof@v1" || !strings.HasPrefix(lines[1], "extra ") {
		must(errors.New("malformed"), path)
	}
	entry, err := base64.StdEncoding.DecodeString(lines[1][6:])
	must(err, path)
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[2], "index "), 10, 64)
	must(err, path)
	var p tlog.RecordProof
	for _, l := range lines[3:] {
		hash, err := tlog.ParseHash(l)
		must(err, path)
		p = append(p, hash)
	}
	h := open([]byte(signed), key, wit)
	must(tlog.CheckRecord(p, h.tree.N, h.tree.Hash, index, tlog.RecordHash(entry)), path)
	holds("receipt of entry %d", index)
}

func main() {
	if len(os.Args) > 2 && os.Args[1] == "log" {
		checkLog(os.Args[2:])
		return
	}
	if len(os.Args) > 2 && os.Args[1] == "receipt" {
		f := flag.NewFlagSet("receipt", flag.ExitOnError)
		key, wit := f.String("key", "", "key file"), f.String("witness", "", "cosigner's key file")
		f.Parse(os.Args[2:])
		for _, path := range f.Args() {
			checkReceipt(path, *key, *wit)
		}
		return
	}
	fmt.Fprintln(os.Stderr, "usage: second log|receipt ...")
	os.Exit(2)
}
