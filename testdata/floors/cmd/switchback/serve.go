package main

import _ "github.com/switchback-proxy/switchback/router"
