package control

import (
	_ "net/http"

	_ "github.com/switchback-proxy/switchback/proxy"
)
