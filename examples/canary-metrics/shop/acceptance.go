package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// question is what a rollout asks about; it holds more.
type question struct {
	Candidate struct {
		Version string   `json:"version"`
		Targets []string `json:"targets"`
	} `json:"candidate"`
}

// acceptance is a test of the shop's receipts behind a URL: it tries every target of the candidate and
// answers pass, fail or undecided, with a reason.
func acceptance() http.Handler {
	mux := http.NewServeMux()
	client := &http.Client{Timeout: 3 * time.Second}
	mux.HandleFunc("POST /receipts", func(w http.ResponseWriter, r *http.Request) {
		var q question
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&q); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		verdict, reason := "pass", ""
		for _, target := range q.Candidate.Targets {
			if verdict, reason = check(r.Context(), client, target); verdict != "pass" {
				break
			}
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]string{"verdict": verdict, "reason": reason})
	})
	return mux
}

func check(ctx context.Context, client *http.Client, target string) (verdict, reason string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target+"/receipt", http.NoBody)
	if err != nil {
		return "undecided", err.Error()
	}
	res, err := client.Do(req)
	if err != nil {
		return "undecided", err.Error()
	}
	defer res.Body.Close()
	var got struct{ Net, VAT, Total int }
	if err := json.NewDecoder(res.Body).Decode(&got); err != nil {
		return "fail", "no receipt: " + err.Error()
	}
	if want := got.Net + got.Net*got.VAT/100; got.Total != want {
		return "fail", fmt.Sprintf("the receipt says %d, it is %d", got.Total, want)
	}
	return "pass", ""
}
