package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/demo"
)

const (
	liveTick     = 500 * time.Millisecond
	liveWindow   = 4 // ticks whose requests are shown together
	livePatience = 2 * time.Second
	liveSoon     = 6 * time.Second // until the first rollout starts by itself
	liveStep     = 5 * time.Second // the least time of a step
	liveQueue    = 8               // keys that wait for the one before
	liveKept     = 20              // typed lines
)

// live is the demonstration on a terminal. Its methods are called by one goroutine, one after the other;
// what takes time is a tea.Cmd, which comes back as a message.
type live struct {
	ctx    context.Context // of the commands that the keys stand for
	stage  *stage
	paint  paint
	scene  scene
	recent []demo.Window // newest last
	queue  []string      // keys that wait
	begun  bool          // a rollout was started, or somebody took over before it was
	asking bool          // a look is under way
	width  int
	height int
}

// The messages of a live view, besides keys.
type (
	tickMsg   struct{}
	lookedMsg struct {
		shop api.Service
		err  error
	}
	ranMsg struct {
		answer []string
		failed bool
		shop   api.Service
		err    error
	}
)

// interact shows the stage on a terminal and does what keys say, until q, ctrl-C or the end of ctx. Whatever
// ends it, the terminal is as it was before; a panic is returned as an error.
func (s *stage) interact(ctx context.Context, in io.Reader, out io.Writer, env []string, p paint) error {
	s.began = time.Now()
	s.open("as the file says", share(100, 0), "")
	m := &live{ctx: ctx, stage: s, paint: p}
	m.scene = scene{front: s.front, admin: s.admin, soon: liveSoon}
	m.setFault(s.fault)
	program := tea.NewProgram(m, tea.WithContext(ctx), tea.WithInput(in), tea.WithOutput(out), tea.WithEnvironment(env),
		tea.WithoutSignalHandler()) // ctx ends with the signal
	_, err := program.Run()
	s.take()
	if ctx.Err() != nil && !errors.Is(err, tea.ErrProgramPanic) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("show the demo: %w", err)
	}
	return nil
}

// Init implements tea.Model.
func (m *live) Init() tea.Cmd { return tea.Batch(m.look(), m.tick(), m.nextEvent()) }

// View implements tea.Model.
func (m *live) View() tea.View {
	v := tea.NewView("")
	if m.width > 0 {
		v.Content = m.scene.view(m.width, m.height, m.paint)
	}
	v.AltScreen = true
	v.WindowTitle = "switchback demo"
	return v
}

// Update implements tea.Model.
func (m *live) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case tea.KeyPressMsg:
		return m, m.press(msg.String())
	case tickMsg:
		return m, tea.Batch(m.tick(), m.look(), m.count())
	case lookedMsg:
		m.asking = false
		m.see(msg.shop, msg.err)
	case ranMsg:
		return m, m.ran(msg)
	case api.Event:
		m.happened(msg)
		return m, m.nextEvent()
	}
	return m, nil
}

func (m *live) tick() tea.Cmd {
	return tea.Tick(liveTick, func(time.Time) tea.Msg { return tickMsg{} })
}

// look asks for the service, unless that is under way.
func (m *live) look() tea.Cmd {
	if m.asking {
		return nil
	}
	m.asking = true
	return func() tea.Msg {
		shop, err := m.stage.look(m.ctx)
		return lookedMsg{shop, err}
	}
}

func (s *stage) look(ctx context.Context) (api.Service, error) {
	ctx, cancel := context.WithTimeout(ctx, livePatience)
	defer cancel()
	return s.client.Service(ctx, "shop")
}

func (m *live) nextEvent() tea.Cmd {
	return func() tea.Msg {
		select {
		case e := <-m.stage.events:
			return e
		case <-m.ctx.Done():
			return nil
		}
	}
}

// count takes what users saw since the last tick, and starts the rollout when nobody else did.
func (m *live) count() tea.Cmd {
	w := m.stage.take()
	m.recent = append(m.recent, w)
	m.recent = m.recent[max(0, len(m.recent)-liveWindow):]
	m.scene.lately = demo.Window{}
	for _, r := range m.recent {
		m.scene.lately.Add(r)
	}
	m.scene.total.Requests += w.Total.Requests
	m.scene.total.Failed += w.Total.Failed
	m.scene.age = time.Since(m.stage.began)
	if m.begun {
		return nil
	}
	if m.scene.soon = liveSoon - m.scene.age; m.scene.soon > 0 {
		return nil
	}
	return m.press("s")
}

func (m *live) see(shop api.Service, err error) {
	if err != nil {
		m.scene.lost = "the server does not answer: " + err.Error()
		return
	}
	m.scene.lost, m.scene.shop = "", shop
}

// press does what a key stands for, after those before it.
func (m *live) press(key string) tea.Cmd {
	if key == "q" || key == "ctrl+c" {
		return tea.Quit
	}
	if f, said, ok := breaking(key, m.scene.fault); ok {
		m.setFault(f)
		m.keep(typed{answer: []string{said}})
		return nil
	}
	if commandOf(key, m.scene.shop) == nil {
		return nil
	}
	m.begun, m.scene.soon = true, 0
	if m.scene.busy {
		if len(m.queue) < liveQueue {
			m.queue = append(m.queue, key)
		}
		return nil
	}
	return m.start(commandOf(key, m.scene.shop))
}

// start runs a command and then looks what it did, so that the next key builds on it.
func (m *live) start(args []string) tea.Cmd {
	m.scene.busy = true
	m.keep(typed{line: typedLine(args)})
	return func() tea.Msg {
		answer, failed := runTyped(m.ctx, args, m.stage.admin)
		shop, err := m.stage.look(m.ctx)
		return ranMsg{answer, failed, shop, err}
	}
}

func (m *live) ran(msg ranMsg) tea.Cmd {
	m.scene.busy = false
	for i := len(m.scene.typed) - 1; i >= 0; i-- { // faults may have come behind it meanwhile
		if t := &m.scene.typed[i]; t.line != "" {
			t.answer, t.failed = msg.answer, msg.failed
			break
		}
	}
	m.see(msg.shop, msg.err)
	m.recent = nil // what was before it says nothing about what is
	if len(m.queue) == 0 {
		return nil
	}
	key := m.queue[0]
	m.queue = m.queue[1:]
	return m.press(key)
}

func (m *live) keep(t typed) {
	m.scene.typed = append(m.scene.typed, t)
	m.scene.typed = m.scene.typed[max(0, len(m.scene.typed)-liveKept):]
}

func (m *live) setFault(f demo.Fault) {
	m.scene.fault = f
	m.stage.setFault(f)
}

// happened begins a row of the table at the end with everything that moved traffic, and shows the sentence.
func (m *live) happened(e api.Event) {
	if e.Sentence != "" {
		m.scene.decided = e
	}
	if e.Before == nil || e.After == nil || same(e.Before, e.After) {
		return
	}
	m.stage.take()
	m.stage.open(liveRow(e), e.After, "")
	m.recent = nil
}

func same(a, b api.Weights) bool { return a["blue"] == b["blue"] && a["green"] == b["green"] }

// liveRow is the row of the table that begins with an event.
func liveRow(e api.Event) string {
	switch e.Type {
	case api.EventWeights:
		return "weights"
	case api.EventCutover:
		return "cutover"
	case api.EventRollback:
		return "rollback"
	case api.EventRolledBack:
		return "rolled back"
	}
	if e.Step > 0 {
		return fmt.Sprintf("rollout, step %d", e.Step)
	}
	return clean(e.Type)
}
