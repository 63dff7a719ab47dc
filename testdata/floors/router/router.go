package router

import (
	_ "os"
	"time"

	_ "go.uber.org/zap"
)

var started = time.Now()
