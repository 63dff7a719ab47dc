package h1

// refusals is every refusal there is, so that counters can be made for their reasons beforehand.
var refusals = []*Refusal{
	errHeadTooLarge, errTooManyFields, errIncomplete, errBareLF, errBareCR, errFold, errSpaceColon,
	errFieldName, errFieldValue, errLength, errLengthTwice, errCoding, errCodingTwice, errCodingOld,
	errLengthCoding, errTrailerName, errChunkSize, errChunkOverflow, errChunkExtension, errChunkExtLong,
	errChunkEnd, errTruncated, errRequestLine, errMethod, errTarget, errEscape, errTargetLong, errVersion,
	errVersionOther, errConnect, errNoHost, errHostTwice, errHost, errShadow, errUpgrade, errExpect,
	errEarlyUpgraded, errStatusLine, errUnsolicited, errUnasked101, errBad101, errInterim, errBodyless,
}

// Reasons returns the fixed set of reasons that refusals have.
func Reasons() []string {
	reasons := make([]string, len(refusals))
	for i, r := range refusals {
		reasons[i] = r.Reason
	}
	return reasons
}
