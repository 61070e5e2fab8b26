/** ED-2 and ED-3 (tables 0834 and 0291) by media type; any other one is left to a note. */
export const dataTypes: Record<string, [string, string]> = {
  'application/pdf': ['AP', 'PDF'],
  'application/rtf': ['AP', 'RTF'],
  'application/xml': ['AP', 'XML'],
  'application/dicom': ['AP', 'DICOM'],
  'image/jpeg': ['IM', 'JPEG'],
  'image/png': ['IM', 'PNG'],
  'image/tiff': ['IM', 'TIFF'],
  'image/gif': ['IM', 'GIF'],
  'text/html': ['TEXT', 'HTML'],
  'text/plain': ['TEXT', 'PLAIN'],
  'video/mpeg': ['VI', 'MPEG'],
  'audio/basic': ['AU', 'BASIC'],
}
